"""What several sources of classifiers have in common."""
