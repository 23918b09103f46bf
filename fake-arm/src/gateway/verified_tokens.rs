//! Tokens whose signature was found good: looked at once, remembered by their hash.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::directory::{Issuer, TokenClaims};
use arm::ArmError;

/// As many are remembered; then it starts anew.
const REMEMBERED: usize = 4096;

type Digest = [u8; 32];

/// An issuer that does not verify the same signature twice. What depends on the time and on the request (audience,
/// life) is not remembered.
#[derive(Debug)]
pub(crate) struct VerifiedTokens {
    issuer: RwLock<Arc<Issuer>>,
    seen: Mutex<HashMap<Digest, Arc<TokenClaims>>>,
}

impl VerifiedTokens {
    pub(crate) fn new(issuer: Arc<Issuer>) -> Self {
        Self { issuer: RwLock::new(issuer), seen: Mutex::default() }
    }

    /// Another issuer signs from now on; what the last one signed is not good any more.
    pub(crate) fn replace(&self, issuer: Arc<Issuer>) {
        *self.issuer.write() = issuer;
        self.seen.lock().clear();
    }

    fn issuer(&self) -> Arc<Issuer> {
        Arc::clone(&self.issuer.read())
    }

    /// The claims of a token that this issuer signed.
    ///
    /// # Errors
    /// The 401 of [`Issuer::authentic`].
    pub(crate) fn authentic(&self, token: &str) -> Result<Arc<TokenClaims>, ArmError> {
        let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
        let Ok(digest) = Digest::try_from(digest.as_ref()) else {
            return self.issuer().authentic(token).map(Arc::new);
        };
        if let Some(claims) = self.seen.lock().get(&digest) {
            return Ok(Arc::clone(claims));
        }
        let claims = Arc::new(self.issuer().authentic(token)?);
        let mut seen = self.seen.lock();
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(digest, Arc::clone(&claims));
        Ok(claims)
    }
}
