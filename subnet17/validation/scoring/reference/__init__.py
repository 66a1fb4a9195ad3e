"""The validators' own measures: their networks, their preprocessing, their formula, on one device."""
