"""A trained model as three ONNX files, which encode without PyTorch's weights and wherever ONNX Runtime runs.

folder.py says what is in the folder of an export, write.py makes one from a run with trace.py, and encoder.py
encodes with it. The libraries come with the extra `export`.
"""
