"""The adapters to Ray Tune: the only place that imports Ray."""
