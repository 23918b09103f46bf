//! How much a caller may ask in how much time.

/// A token bucket: as many requests at once, and then as many for each second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Requests that a rested bucket holds.
    pub size: u32,
    /// Requests that come back each second.
    pub refill: f64,
}

impl Bucket {
    /// A bucket whose refill is given by the second, as Azure Resource Manager documents its limits.
    pub const fn per_second(size: u32, refill: f64) -> Self {
        Self { size, refill }
    }

    /// A bucket whose refill is given by the minute, as the compute provider documents its limits.
    pub const fn per_minute(size: u32, refill: u32) -> Self {
        Self { size, refill: refill as f64 / 60.0 }
    }
}

/// The limits of Azure Resource Manager and of the compute provider. Azure's documented ones unless changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Throttling {
    /// Whether anything is counted at all.
    pub enabled: bool,
    /// `GET` and `HEAD`, for each principal in a subscription; the same again for each principal in the tenant.
    pub reads: Bucket,
    /// `PUT`, `PATCH` and `POST`, likewise.
    pub writes: Bucket,
    /// `DELETE`, likewise.
    pub deletes: Bucket,
    /// All principals of a subscription together may do this many times as much as one of them.
    pub all_principals: u32,
    /// Whether the compute provider counts requests for virtual machines by its own policies.
    pub compute: bool,
    /// Resource Graph queries of one principal.
    pub resource_graph: Bucket,
}

impl Default for Throttling {
    fn default() -> Self {
        Self {
            enabled: true,
            reads: Bucket::per_second(250, 25.0),
            writes: Bucket::per_second(200, 10.0),
            deletes: Bucket::per_second(200, 10.0),
            all_principals: 15,
            compute: true,
            resource_graph: Bucket::per_second(15, 3.0),
        }
    }
}

impl Throttling {
    /// Nothing is counted.
    pub fn off() -> Self {
        Self { enabled: false, ..Self::default() }
    }
}
