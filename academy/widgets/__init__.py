"""Widgets for notebooks: ``academy.widgets.lab()`` shows how far one is with a lab, and checks its tasks."""

from academy.widgets.lab_widget import LabWidget, lab

__all__ = ["LabWidget", "lab"]
