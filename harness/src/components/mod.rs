//! Where the real components come from: a path given, the cache, a build from pinned sources.
