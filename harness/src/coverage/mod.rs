//! Which statements of the documents are proven by which scenarios. The statements are listed in `suites/claims.yaml`,
//! the reasons for those without a scenario in `suites/uncovered.yaml`; a scenario names what it proves at the beginning
//! of its doc comment.

mod claim;
mod matrix;
mod results;

pub use claim::{Claim, Claims, ClaimsError, Enforcer, claims_of};
pub use matrix::{Coverage, Row};
pub use results::{LastResult, Results, last_results};
pub(crate) use results::{last_started, results_in};
