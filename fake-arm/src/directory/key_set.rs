//! Public keys of a token issuer (JWKS), and the look at tokens that they signed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The keys of an issuer, RSA or on the curves P-256 and P-384.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug, Clone)]
struct Key {
    id: Option<String>,
    public: Public,
}

#[derive(Debug, Clone)]
enum Public {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point.
    Curve(Vec<u8>),
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is no JSON web token.
    Malformed,
    /// No key of the set signed it.
    Signature,
}

/// Why a document is not a set of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeySet {
    /// `keys` is missing or no list.
    #[error("it has no list 'keys'")]
    NoKeys,
    /// A key of the list cannot be read.
    #[error("key {0} of it is neither an RSA key with 'n' and 'e' nor one on a curve with 'x' and 'y'")]
    Key(usize),
}

impl KeySet {
    /// Reads `{"keys":[…]}`.
    ///
    /// # Errors
    /// [`InvalidKeySet`].
    pub(crate) fn parse(document: &Value) -> Result<Self, InvalidKeySet> {
        let list = document["keys"].as_array().ok_or(InvalidKeySet::NoKeys)?;
        let keys = list.iter().enumerate().map(|(at, key)| Key::parse(key).ok_or(InvalidKeySet::Key(at)));
        Ok(Self { keys: keys.collect::<Result<_, _>>()? })
    }

    /// The claims of a token that one of the keys signed.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn verify(&self, token: &str) -> Result<Value, Fault> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Fault::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Fault::Malformed)?;
        let header: Value = part(header).ok_or(Fault::Malformed)?;
        let claims = part(claims).filter(Value::is_object).ok_or(Fault::Malformed)?;
        let signature = BASE64.decode(signature).map_err(|_| Fault::Malformed)?;
        let algorithm = header["alg"].as_str().unwrap_or_default();
        let id = header["kid"].as_str();
        let known = self.keys.iter().filter(|key| id.is_none() || key.id.is_none() || key.id.as_deref() == id);
        let good = |key: &Key| key.public.verifies(algorithm, signed.as_bytes(), &signature);
        if known.into_iter().any(good) { Ok(claims) } else { Err(Fault::Signature) }
    }
}

/// The claims of a token, whoever signed it; `None` where the text is not a token.
pub(crate) fn unverified_claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    part::<Value>(claims).filter(|claims| claims.is_object() && parts.next().is_none())
}

/// The header or the claims of a token: JSON in base64.
pub(super) fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&BASE64.decode(text).ok()?).ok()
}

impl Key {
    fn parse(key: &Value) -> Option<Self> {
        let bytes = |name: &str| BASE64.decode(key[name].as_str()?).ok();
        let public = match key["kty"].as_str()? {
            "RSA" => Public::Rsa { modulus: bytes("n")?, exponent: bytes("e")? },
            "EC" => Public::Curve([vec![4], bytes("x")?, bytes("y")?].concat()),
            _ => return None,
        };
        Some(Self { id: key["kid"].as_str().map(str::to_owned), public })
    }
}

impl Public {
    fn verifies(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> bool {
        let checked = match (self, algorithm) {
            (Self::Curve(point), "ES256") => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            (Self::Curve(point), "ES384") => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(signed, signature)
            }
            (Self::Rsa { modulus, exponent }, _) => {
                let parameters = match algorithm {
                    "RS256" => &RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &RSA_PKCS1_2048_8192_SHA512,
                    _ => return false,
                };
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, signed, signature)
            }
            _ => return false,
        };
        checked.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The example of RFC 7515, appendix A.2: RS256 by a key that the RFC prints.
    #[test]
    fn the_token_of_the_rfc_is_good() {
        let keys = json!({"keys": [{"kty": "RSA", "e": "AQAB", "n":
            "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR\
             T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB\
             dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia\
             GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}]});
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvb\
                     S9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-\
                     0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIA\
                     RNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh\
                     6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        let keys = KeySet::parse(&keys).unwrap();
        assert_eq!(keys.verify(token).unwrap()["iss"], "joe");
        assert_eq!(keys.verify(&token.replace(".cC4hi", ".dC4hi")), Err(Fault::Signature));
        assert_eq!(keys.verify("a.b"), Err(Fault::Malformed));
        assert_eq!(KeySet::default().verify(token), Err(Fault::Signature));
    }

    #[test]
    fn documents_that_are_no_keys_say_which() {
        assert_eq!(KeySet::parse(&json!({})).unwrap_err(), InvalidKeySet::NoKeys);
        let bad = json!({"keys": [{"kty": "EC", "x": "AA", "y": "AA"}, {"kty": "oct", "k": "AA"}]});
        assert_eq!(KeySet::parse(&bad).unwrap_err(), InvalidKeySet::Key(1));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_no_token(text in ".{0,80}") {
            proptest::prop_assert!(KeySet::default().verify(&text).is_err());
            let _ = unverified_claims(&text);
        }
    }
}
