//! The components for tests that start the real programs.

use std::sync::OnceLock;

use components::{Binaries, FetchDisplay, Store, StoreOptions, Versions};

/// The programs of the default versions, resolved once for all tests of this process. Callable inside a runtime and
/// outside.
///
/// # Panics
/// When they cannot be obtained, with what the store says about it: a test that is left out because of that would be
/// one that cannot fail.
pub(crate) fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Result<Binaries, String>> = OnceLock::new();
    match BINARIES.get_or_init(resolve) {
        Ok(binaries) => binaries,
        Err(problem) => panic!("this test needs the real components: {problem}"),
    }
}

/// On a thread of its own: the caller's may already be driving a runtime, within which no second one can block.
fn resolve() -> Result<Binaries, String> {
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("no runtime to obtain them with: {error}"))?;
        let store = Store::open(StoreOptions::from_environment()).map_err(|error| error.to_string())?;
        let (versions, display) = (Versions::default(), FetchDisplay::new());
        let resolving = store.resolve(&versions, |progress| display.report(progress));
        runtime.block_on(resolving).map_err(|error| error.to_string())
    };
    let thread = std::thread::spawn(work);
    thread.join().unwrap_or_else(|_| Err("the thread that obtains them panicked".to_owned()))
}
