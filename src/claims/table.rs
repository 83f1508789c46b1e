//! Lists the claims that the crate itself reads: the name, the kind of value and the field of each.
//!
//! A new claim needs a line here, and the field that the line names. The kinds of values are functions in `values.rs`.

use super::parsed::ParsedClaims;
use super::values::{self, HasValue as _};
use crate::jose::json::{JsonError, Scanner};

macro_rules! claims {
    ($($claim:ident $name:literal $kind:ident $part:ident.$field:ident;)*) => {
        /// A claim that the crate itself reads.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Claim {
            $($claim,)*
        }

        // The reader keeps the claims that it has seen in the bits of a `u32`.
        const _: () = assert!([$($name,)*].len() <= 32);

        impl Claim {
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$claim,)*];

            /// Finds a claim by its name.
            // Once for each member of a payload.
            #[inline(always)]
            pub(super) fn from_name(name: &str) -> Option<Self> {
                // As bytes: the compiler turns a match on bytes into a tree of decisions, and a match on
                // strings into one comparison for each name.
                #![expect(non_upper_case_globals, reason = "named as the claims are")]
                $(const $claim: &[u8] = $name.as_bytes();)*
                match name.as_bytes() {
                    $($claim => Some(Self::$claim),)*
                    _ => None,
                }
            }

            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$claim => $name,)*
                }
            }

            /// Reads the value of the claim into its field.
            pub(super) fn read(
                self,
                scanner: &mut Scanner<'_>,
                parsed: &mut ParsedClaims,
            ) -> Result<(), JsonError> {
                match self {
                    $(Self::$claim => {
                        parsed.$part.$field = values::$kind(scanner, &mut parsed.registered)?;
                    })*
                }
                Ok(())
            }

            /// Returns the text of the claim, if it is one.
            pub(super) fn text(self, parsed: &ParsedClaims) -> Option<&str> {
                let range = match self {
                    $(Self::$claim => parsed.$part.$field.text_range(),)*
                };
                parsed.registered.get(range)
            }

            /// Returns whether the claim is a text that names something, and nothing that is checked in any case.
            pub(super) fn is_name(self) -> bool {
                let kind = match self {
                    $(Self::$claim => stringify!($kind),)*
                };
                matches!(kind, "text_or_null" | "text_or_other")
            }

            /// Returns whether the claim is present and not `null`.
            pub(super) fn has_value(self, parsed: &ParsedClaims) -> bool {
                match self {
                    $(Self::$claim => parsed.$part.$field.has_value(),)*
                }
            }
        }
    };
}

claims! {
    // Name                 kind of value  field
    Iss      "iss"          text           registered.issuer;
    Sub      "sub"          text_or_null   registered.subject;
    Aud      "aud"          audience       registered.audience;
    Exp      "exp"          date           registered.expires_at;
    Nbf      "nbf"          date           registered.not_before;
    Iat      "iat"          date           registered.issued_at;
    Jti      "jti"          text_or_null   registered.token_id;
    Sid      "sid"          session        registered.session;
    ClientId "client_id"    text_or_null   registered.client_id;
    Azp      "azp"          text_or_null   registered.authorized_party;
    Cid      "cid"          text_or_other  registered.okta_client;
    Appid    "appid"        text_or_other  registered.entra_client;
    Nonce    "nonce"        any            markers.nonce;
    AtHash   "at_hash"      any            markers.at_hash;
    CHash    "c_hash"       any            markers.c_hash;
    Cnf      "cnf"          json           markers.cnf;
    Events   "events"       events         markers.events;
    Typ      "typ"          text_or_other  markers.typ;
    TokenUse "token_use"    text_or_other  markers.token_use;
    Idtyp    "idtyp"        text_or_other  markers.idtyp;
    Acr      "acr"          text_or_other  asked.acr;
    AuthTime "auth_time"    date_or_other  asked.auth_time;
    Amr      "amr"          texts_or_other asked.amr;
    Act      "act"          actors         asked.actors;
    Details  "authorization_details" json  asked.details;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_is_found_by_its_name_to_the_letter_and_by_no_other() {
        for claim in Claim::ALL {
            let name = claim.name();
            assert_eq!(Claim::from_name(name), Some(*claim), "{name}");
            for other in [&name[1..], &format!("{name}s"), &name.to_uppercase(), ""] {
                assert_eq!(Claim::from_name(other), None, "{other}");
            }
        }
    }
}
