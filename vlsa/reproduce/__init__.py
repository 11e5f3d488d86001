"""The paper's tables and figures, each by one command: train what is missing, evaluate, write a table and a figure.

targets.py says what each needs, preflight.py what is wrong before anything is trained; sources.py opens the data,
runs.py trains and evaluates; tables.py and charts.py show it; cost.py is Table 7.
"""
