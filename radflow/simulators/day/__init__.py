"""A day of a hospital, with everything that goes wrong in it: planned, played against radflow, and judged.

plan.py ──Exam──▶ script.py ──what happens, and when──▶ play.py ──▶ outcome.py
"""
