"""The selection rules: who meets whom, from "fixed" to walks on graphs, and the knobs that all of them have."""
