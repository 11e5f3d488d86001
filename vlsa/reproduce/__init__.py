"""The paper's tables and figures, each by one command: train what is missing, evaluate, write a table and a picture.

targets.py says what each needs, checks.py what is wrong before anything is trained; runs.py trains and evaluates;
tables.py and pictures.py show it; cost.py is Table 7.
"""
