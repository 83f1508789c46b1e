#!/usr/bin/env bash
# Calls a server of ours with proofs made by hand: `curl.sh <authorization server> <api>`. Needs curl and OpenSSL 3.
#
# Gets a token, calls the API twice, and fails unless it refuses a used proof, the key of a thief, and the token alone.
set -euo pipefail

id=$1 api=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# new_key <name>
new_key() { openssl genpkey -algorithm ed25519 -out "$folder/$1.pem"; }

# prove <key> <method> <URI> <nonce or -> [<token>]: prints a proof.
prove() {
    local x header claims
    # The key stands at the end of its DER.
    x=$(openssl pkey -in "$folder/$1.pem" -pubout -outform DER | tail -c 32 | base64url)
    header="{\"typ\":\"dpop+jwt\",\"alg\":\"EdDSA\",\"jwk\":{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"$x\"}}"
    claims="\"jti\":\"$(openssl rand -hex 16)\",\"htm\":\"$2\",\"htu\":\"$3\",\"iat\":$(date +%s)"
    [ "$4" = - ] || claims+=",\"nonce\":\"$4\""
    [ -z "${5:-}" ] || claims+=",\"ath\":\"$(printf %s "$5" | openssl dgst -sha256 -binary | base64url)\""
    printf %s "$(printf %s "$header" | base64url).$(printf %s "{$claims}" | base64url)" >"$folder/input"
    # It has to be a file.
    openssl pkeyutl -sign -rawin -inkey "$folder/$1.pem" -in "$folder/input" -out "$folder/signature"
    printf %s.%s "$(cat "$folder/input")" "$(base64url <"$folder/signature")"
}

# send <expected status> <curl arguments>...: leaves fields and body in files.
send() {
    local status
    status=$(curl -sS -D "$folder/fields" -o "$folder/body" -w '%{http_code}' "${@:2}")
    [ "$status" = "$1" ] || { echo "$status in place of $1:" >&2; cat "$folder/fields" "$folder/body" >&2; exit 1; }
}

nonce() { tr -d '\r' <"$folder/fields" | sed -n 's/^dpop-nonce: //Ip'; }

challenged() { grep -qi "^www-authenticate: DPoP .*error=\"$1\"" "$folder/fields" || { cat "$folder/fields" >&2; exit 1; }; }

new_key client
send 400 -X POST -H "DPoP: $(prove client POST "$id/token" -)" "$id/token"
grep -q '"use_dpop_nonce"' "$folder/body"
send 200 -X POST -H "DPoP: $(prove client POST "$id/token" "$(nonce)")" "$id/token"
token=$(sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p' "$folder/body")

send 401 -H "Authorization: DPoP $token" -H "DPoP: $(prove client GET "$api/orders" - "$token")" "$api/orders"
challenged use_dpop_nonce
nonce=$(nonce)
for _ in 1 2; do
    proof=$(prove client GET "$api/orders" "$nonce" "$token")
    send 200 -H "Authorization: DPoP $token" -H "DPoP: $proof" "$api/orders?page=2"
done

send 401 -H "Authorization: DPoP $token" -H "DPoP: $proof" "$api/orders"
challenged invalid_dpop_proof

new_key thief
send 401 -H "Authorization: DPoP $token" -H "DPoP: $(prove thief GET "$api/orders" "$nonce" "$token")" "$api/orders"
challenged invalid_token

send 401 -H "Authorization: Bearer $token" "$api/orders"
challenged invalid_token
