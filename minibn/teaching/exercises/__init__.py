"""The exercises of the course, a file for each chapter; `minibn.teaching.registry` says how."""
