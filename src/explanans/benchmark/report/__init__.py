"""Reports: HTML pages that stand alone, with every picture inside; nothing is fetched."""
