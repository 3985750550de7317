"""Revise, Reason, Recognize (paper 000) as data and pure steps: what is asked, how it is laid out, how it is read."""
