//! The language of Azure Resource Manager: resource ids, api-versions, error bodies and long-running operations, as
//! values that know nothing of servers and stores.

mod api_version;
mod error;
mod filter;
mod operation;
mod percent;
mod resource_id;

pub use api_version::{ApiVersion, InvalidApiVersion};
pub use error::{ArmError, CloudError};
pub use filter::invalid as invalid_filter;
pub use filter::{Comparison, Filter, Predicate};
pub use operation::{Operation, OperationStatus};
pub use percent::decoded;
pub use resource_id::{InvalidResourceId, ResourceId, lies_within};
pub use resource_id::{blocks, type_of};
