"""Curation as a workbench: what a set of pictures consists of, and where it may mislead a model.

Pure analysis: features, figures and words go in, plain frozen values (`shapes`) come out. Which
pictures, and what a person then does about them, is the business of `steps.workbench`.
"""
