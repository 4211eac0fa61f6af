"""Widgets for notebooks: ``lab()`` shows how far one is with a lab, ``matrix()`` the four environments."""

from academy.widgets.lab_widget import LabWidget, lab
from academy.widgets.matrix_widget import MatrixWidget, matrix

__all__ = ["LabWidget", "MatrixWidget", "lab", "matrix"]
