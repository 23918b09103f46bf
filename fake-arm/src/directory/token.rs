//! Access tokens: ES256-signed JWTs in the shape of Entra's v1 tokens.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Principal;
use super::key_set::part;
use arm::ArmError;

/// Signs tokens for one tenant, and tells its own from others.
pub struct Issuer {
    tenant: Uuid,
    key: EcdsaKeyPair,
    /// The key as PKCS#8, to be kept.
    document: Vec<u8>,
    key_id: String,
    random: SystemRandom,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenClaims {
    /// Who it is for: the ARM endpoint or `https://management.azure.com`.
    pub aud: String,
    /// `https://sts.windows.net/{tenant}/`.
    pub iss: String,
    /// Issued at, Unix seconds.
    pub iat: i64,
    /// Not before, Unix seconds.
    pub nbf: i64,
    /// Expires, Unix seconds.
    pub exp: i64,
    /// Application id.
    pub appid: String,
    /// Object id of the principal.
    pub oid: Uuid,
    /// Same as `oid` here.
    pub sub: Uuid,
    /// Tenant id.
    pub tid: Uuid,
    /// `app` for applications and managed identities, `user` for people.
    pub idtyp: String,
    /// Token version, `1.0`.
    pub ver: String,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("tenant", &self.tenant).field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Issuer {
    /// An issuer with a new key.
    pub fn new(tenant: Uuid) -> Result<Self, ring::error::Unspecified> {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?;
        Self::restored(tenant, document.as_ref().to_vec()).map_err(|_| ring::error::Unspecified)
    }

    /// An issuer with a key that was kept: the tokens that it signed stay good.
    ///
    /// # Errors
    /// Where the document is no PKCS#8 key on the curve P-256.
    pub fn restored(tenant: Uuid, document: Vec<u8>) -> Result<Self, ring::error::KeyRejected> {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &document, &random)?;
        let digest = ring::digest::digest(&ring::digest::SHA256, key.public_key().as_ref());
        let key_id = BASE64.encode(&digest.as_ref()[..16]);
        Ok(Self { tenant, key, document, key_id, random })
    }

    /// The signing key as PKCS#8.
    pub(crate) fn key_document(&self) -> &[u8] {
        &self.document
    }

    /// The public key as a JSON web key.
    pub fn public_key(&self) -> serde_json::Value {
        // An uncompressed point: a byte that says so, then x, then y.
        let point = &self.key.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        serde_json::json!({
            "kty": "EC",
            "use": "sig",
            "alg": "ES256",
            "kid": self.key_id,
            "x5t": self.key_id,
            "crv": "P-256",
            "x": BASE64.encode(x),
            "y": BASE64.encode(y),
        })
    }

    /// `https://sts.windows.net/{tenant}/`.
    pub fn name(&self) -> String {
        format!("https://sts.windows.net/{}/", self.tenant)
    }

    /// The claims of a token for `principal`, good for `lifetime` from `now`.
    pub fn claims(&self, principal: &Principal, audience: &str, now: Timestamp, lifetime: Duration) -> TokenClaims {
        let issued = now.as_second();
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX / 2);
        let idtyp = if principal.kind == super::PrincipalKind::User { "user" } else { "app" };
        TokenClaims {
            aud: audience.to_owned(),
            iss: self.name(),
            iat: issued,
            nbf: issued,
            exp: issued.saturating_add(lifetime),
            appid: principal.client_id.to_string(),
            oid: principal.object_id,
            sub: principal.object_id,
            tid: self.tenant,
            idtyp: idtyp.to_owned(),
            ver: "1.0".to_owned(),
        }
    }

    /// Signs claims, whatever they say.
    pub fn sign(&self, claims: &TokenClaims) -> String {
        let header = serde_json::json!({"typ": "JWT", "alg": "ES256", "x5t": self.key_id, "kid": self.key_id});
        let claims = serde_json::to_vec(claims).expect("claims are plain data");
        let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims));
        let signature = self.key.sign(&self.random, signed.as_bytes()).expect("the system has random numbers");
        format!("{signed}.{}", BASE64.encode(signature.as_ref()))
    }

    /// Reads the claims of a token that ARM may accept: signed by this issuer, for this tenant, for one of
    /// `audiences`, not expired.
    ///
    /// # Errors
    /// The 401 that ARM answers. The order of the checks is Azure's: form, issuer, signature, audience, life.
    pub fn verify(&self, token: &str, audiences: &[&str], now: Timestamp) -> Result<TokenClaims, ArmError> {
        let claims = self.authentic(token)?;
        claims.check(audiences, now)?;
        Ok(claims)
    }

    /// Reads the claims of a token that this issuer signed, whomever it is for and whenever it was.
    ///
    /// # Errors
    /// The 401 that ARM answers to a malformed, foreign or unsigned token.
    pub fn authentic(&self, token: &str) -> Result<TokenClaims, ArmError> {
        let malformed = || ArmError::unauthorized("InvalidAuthenticationToken", "The access token is invalid.");
        let parts: Vec<&str> = token.split('.').collect();
        let [header, payload, signature] = parts[..] else { return Err(malformed()) };
        let header: serde_json::Value = part(header).ok_or_else(malformed)?;
        let claims: TokenClaims = part(payload).ok_or_else(malformed)?;
        if claims.iss != self.name() || claims.tid != self.tenant {
            return Err(wrong_issuer(&claims.iss, &self.name()));
        }
        let invalid = || {
            ArmError::unauthorized(
                "InvalidAuthenticationToken",
                "The access token validation failure. Could not validate the access token signature.",
            )
        };
        if header["alg"] != "ES256" {
            return Err(invalid());
        }
        let signed = &token[..token.len() - signature.len() - 1];
        let signature = BASE64.decode(signature).map_err(|_| invalid())?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key().as_ref())
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| invalid())?;
        Ok(claims)
    }
}

impl TokenClaims {
    /// The token is for one of `audiences`, and good at `now`.
    ///
    /// # Errors
    /// The 401 that ARM answers.
    pub fn check(&self, audiences: &[&str], now: Timestamp) -> Result<(), ArmError> {
        if !audiences.iter().any(|a| a.trim_end_matches('/') == self.aud.trim_end_matches('/')) {
            return Err(wrong_audience(&self.aud));
        }
        let now = now.as_second();
        if now >= self.exp {
            return Err(expired(self.exp, now));
        }
        if now < self.nbf {
            return Err(ArmError::unauthorized("InvalidAuthenticationToken", "The access token is not yet valid."));
        }
        Ok(())
    }
}

fn wrong_issuer(found: &str, expected: &str) -> ArmError {
    ArmError::unauthorized(
        "InvalidAuthenticationTokenTenant",
        format!(
            "The access token is from the wrong issuer '{found}'. It must match the tenant '{expected}' associated with \
             this subscription. Please use the authority (URL) 'https://login.windows.net/{}' to get the token. Note, if \
             the subscription is transferred to another tenant there is no impact to the services, but information about \
             new tenant could take time to propagate (up to an hour). If you just transferred your subscription and see \
             this error message, please try back later.",
            expected.trim_start_matches("https://sts.windows.net/").trim_end_matches('/')
        ),
    )
}

fn wrong_audience(found: &str) -> ArmError {
    ArmError::unauthorized(
        "InvalidAuthenticationTokenAudience",
        format!(
            "The access token has been obtained for wrong audience or resource '{found}'. It should exactly match with \
             one of the allowed audiences 'https://management.core.windows.net/','https://management.core.windows.net',\
             'https://management.azure.com/','https://management.azure.com'."
        ),
    )
}

fn expired(expiry: i64, now: i64) -> ArmError {
    let shown = |seconds: i64| {
        Timestamp::from_second(seconds).map(|t| t.strftime("%-m/%-d/%Y %-I:%M:%S %p").to_string()).unwrap_or_default()
    };
    ArmError::unauthorized(
        "ExpiredAuthenticationToken",
        format!(
            "The access token expiry UTC time '{}' is earlier than current UTC time '{}'.",
            shown(expiry),
            shown(now)
        ),
    )
}
