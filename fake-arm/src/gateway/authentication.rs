//! Who asks: the bearer token of a request, and the principal behind it.

use std::sync::Arc;

use http::{HeaderMap, header};
use uuid::Uuid;

use super::verified_tokens::VerifiedTokens;
use crate::directory::TokenClaims;
use crate::world::World;
use arm::ArmError;

/// The first half, without the world: there is a token, and this fake signed it.
///
/// # Errors
/// ARM's 401.
pub(super) fn signed_token(tokens: &VerifiedTokens, headers: &HeaderMap) -> Result<Arc<TokenClaims>, ArmError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(ArmError::unauthorized(
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
        ));
    };
    let scheme = value.to_str().ok().and_then(|v| v.split_once(' '));
    let Some((_, token)) = scheme.filter(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
    else {
        return Err(ArmError::unauthorized(
            "AuthenticationFailedInvalidHeader",
            "Authentication failed. The 'Authorization' header is provided in an invalid format.",
        ));
    };
    tokens.authentic(token.trim())
}

/// The second half: it is for this ARM, it is good now, and its principal exists.
///
/// # Errors
/// ARM's 401.
pub(super) fn caller(world: &World, endpoint: &str, origin: &str, claims: &TokenClaims) -> Result<Uuid, ArmError> {
    let audiences = [endpoint, origin, "https://management.azure.com", "https://management.core.windows.net"];
    claims.check(&audiences, world.now())?;
    match world.principals().get(claims.oid) {
        Some(principal) => Ok(principal.object_id),
        None => Err(ArmError::unauthorized(
            "InvalidAuthenticationToken",
            format!(
                "The access token is invalid: its object id '{}' is unknown in tenant '{}'.",
                claims.oid, claims.tid
            ),
        )),
    }
}
