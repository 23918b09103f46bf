//! `Microsoft.ResourceGraph`: queries over all resources, in the part of the Kusto language that controllers use. What
//! it does not know it refuses, and never guesses.

mod endpoint;
mod evaluation;
mod expression;
mod lexer;
mod parser;
mod query;
mod rows;
