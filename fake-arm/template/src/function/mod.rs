//! The functions of the template language, by families. Names are compared without regard to case.

mod argument;
mod call;
mod collection;
mod logic;
mod resource;
mod text;

#[cfg(test)]
pub(super) use call::tests;
pub(super) use call::{call, choose};
