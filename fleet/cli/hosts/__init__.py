"""The commands that look at hosts or change them: trust, doctor, watch, provision, restore, bundle."""
