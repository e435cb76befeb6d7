"""PURE. What would happen: a discrete-event model of the proving pipeline, calibrated from records.

Time is simulated; nothing here looks at a clock, and chance comes in as a seed.
"""
