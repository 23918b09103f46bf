//! What a run tells: terminal, JUnit.
