"""`radflow bench`: what radflow does in a second, and what others do beside it in the same run.

How it is measured is written in docs/performance.md.
"""
