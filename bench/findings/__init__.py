"""From frames to sentences: who leads, what each choice brought, what to doubt; and two runs side by side."""
