"""The parts of `search_quality.py`: recorded curves, a simulator of workers, the contestants, and what is counted."""
