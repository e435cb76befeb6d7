"""PURE. What would happen? A discrete-event model of the proving pipeline, calibrated from records."""
