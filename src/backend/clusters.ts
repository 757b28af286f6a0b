// What k-means gives, and what it is asked for.

export interface Clusters {
  /** Cluster of each vector, 0 .. centroids.length - 1, every one used. */
  readonly labels: readonly number[];
  /** Means of the members, not normalised. */
  readonly centroids: readonly Float32Array[];
  /** Sum of squared distances to the own centroid. */
  readonly inertia: number;
}

export interface ClusterOptions {
  readonly count: number;
  readonly restarts: number;
  readonly seed: number;
}
