"""What a model does, drawn: training curves, reconstructions, sound maps, pair maps, result pages and galleries.

compute/ has the numbers behind each figure; plots/ draws PNG files with matplotlib; report.py and gallery.py write HTML
pages from templates/ with the style and script of static/; figures.py makes all figures of a run (`vlsa show`).
"""
