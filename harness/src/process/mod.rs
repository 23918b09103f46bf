//! Child processes: started, watched, logged, and gone on every way out.
