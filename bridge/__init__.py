"""The bridge between readers at the mat and the results people see."""
