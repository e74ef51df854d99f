"""Lighter forms of fitted models: ONNX, whole-number weights, fewer neurons; each held against the original."""
