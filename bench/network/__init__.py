"""One network: trained a window at a time, stored, and asked for predictions."""
