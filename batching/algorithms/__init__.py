"""What rules and engines compute with: weights, neighbours, bisection, k-means, assignment, matching, exchanges."""
