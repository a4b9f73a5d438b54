"""Soak: a week in virtual time, and ten minutes at 200 events a second. What grows, and which count drifts?"""
