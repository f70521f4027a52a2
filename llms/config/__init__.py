"""Floor 1: what providers.yaml means, and reading it with every mistake told at its line and column.

What it means    model: sections, keys, defaults; section, kinds: how such a class is read; values, units, names: the
                 kinds of values; foreign: options of other packages, which are pydantic models
From a file      load: find, read, check; rows: its providers and models
                 source -> compose (scalars, syntax) -> nodes: text to a tree that knows where everything stands
                 reading, expand: values out of the tree, with the environment put in
What is wrong    problems, report: collected, in the order of the file
Shown            diff, masking: without secrets; schema: for editors; starter: a file to begin with
"""
