"""A hospital around radflow, for the demo and the tests: EHR, modality, archive, RIS.

What is simulated is only the other side: every word between it and radflow goes over a real socket.
"""
