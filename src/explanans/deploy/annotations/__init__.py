"""Regions in the formats of annotation tools, and corrected ones back."""
