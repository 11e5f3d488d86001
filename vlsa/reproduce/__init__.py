"""The paper's tables and figures, each by one command: train what is missing, evaluate, write a table and a figure.

targets.py lists what each needs, preflight.py checks a plan before anything is trained; sources.py opens the data,
runs.py trains and evaluates; tables.py and charts.py write the results; cost.py is Table 7.
"""
