//! The reasons, each with its word for programs and what to do for people.

/// What `hint` says of a signature that holds for the rebuilt body.
pub(super) const REBUILT: &str = "The signature holds, but not for the bytes of this body: they \
    were written anew on their way, and were rebuilt as Node.js writes them. Pass the raw body if \
    you can: request.get_data() in Flask, await request.body() in Starlette and FastAPI, \
    request.body in Django. JSON that was parsed and written again is rescued only as long as no \
    key was sorted, dropped or converted.";

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal, $hint:literal;)+) => {
        /// Why a signature holds or does not.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// All reasons: first what is certain, then the proofs, then the guesses.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The reason in a word that programs can compare.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// What is wrong and what to do, in sentences.
            #[must_use]
            pub fn hint(self) -> &'static str {
                match self {
                    $(Self::$name => $hint,)+
                }
            }
        }
    };
}

reasons! {
    /// The signature holds.
    Valid = "valid", "The signature holds.";
    /// The header is missing or empty.
    MissingHeader = "missing_header",
        "There is no signature. Pass the value of the request's header `x-webhook-signature`: \
         request.headers.get(\"x-webhook-signature\") in Flask, Django, Starlette and FastAPI. If \
         the request has none, look whether the vendor's dashboard has a webhook secret, and \
         whether a proxy removes headers.";
    /// The header is not base64.
    NotBase64 = "not_base64",
        "The header is not base64. A signature is 44 characters of base64 with `=` at the end and \
         nothing around it: pass the value of `x-webhook-signature` as it came, not that of \
         another header such as `Authorization`.";
    /// The header is base64 of another length than an HMAC-SHA256.
    WrongLength = "wrong_length",
        "The header is base64, but not of the 32 bytes of an HMAC-SHA256. 20 bytes are a SHA-1 \
         and 64 a SHA-512: the signer must use SHA-256; and the header must not be cut.";
    /// The body is empty.
    EmptyBody = "empty_body",
        "The body is empty: something read it before. Take it first, and once: \
         request.get_data() in Flask, before request.stream or get_json(cache=False); \
         await request.body() in Starlette and FastAPI; request.body in Django, where \
         request.POST has no JSON. In Express, mount express.raw() on this route.";
    /// The body is not JSON, and no mistake explains it.
    MalformedBody = "malformed_body",
        "The body is not JSON, so it is not a delivery as it was sent. Pass the raw body: \
         request.get_data() in Flask, await request.body() in Starlette and FastAPI, request.body \
         in Django; not a form, a part of it, or the `str` of an object.";
    /// The body is JSON, but neither an object with `result` nor an array.
    NoResult = "no_result",
        "The body is JSON, but no delivery: that is an object with `result`, or (legacy) an \
         array. Pass the raw body as a whole, not a part of it or a model that was made of it.";
    /// The signature does not match, and no mistake explains it.
    Mismatch = "mismatch",
        "Either the signature was made with another secret, or the body was changed. Compare the \
         secret with that of the vendor's dashboard, and look whether this program's settings \
         hold an older one. Then pass the raw body: a model (pydantic, a serializer) that drops, \
         adds or converts values, such as dates, decimals or null, changes what is signed.";

    /// Proved: the header has hex digits.
    HexSignature = "hex_signature",
        "The signature is right, but written in hex digits: it must be base64. Sign with \
         .digest(\"base64\") in Node.js, base64.b64encode(mac.digest()) in Python, \
         base64_encode(hash_hmac(\"sha256\", $message, $key, true)) in PHP.";
    /// Proved: the header is base64 of another alphabet, or lacks its padding.
    Base64Variant = "base64_variant",
        "The signature is right, but in url-safe base64 or without its `=`: use the standard \
         alphabet with padding, so \"base64\" instead of \"base64url\" in Node.js, b64encode \
         instead of urlsafe_b64encode in Python.";
    /// Proved: something is around the signature.
    DressedHeader = "dressed_header",
        "The signature is right, but something is around it: quotes, `sha256=`, Python's b'...', \
         or a second value behind a comma. Pass the bare value: header.decode() instead of \
         str(header) where a framework gives bytes; and let only one program set the header.";
    /// Proved: the key was the secret with its prefix.
    PrefixKept = "prefix_kept",
        "The signer used the secret with its `E_AI_K_` as the key: the key is what is left \
         without it. secret.replace(\"E_AI_K_\", \"\") in Node.js, \
         secret.replace(\"E_AI_K_\", \"\", 1) in Python.";
    /// Proved: the secret has white space or quotes around it.
    SecretNotStripped = "secret_not_stripped",
        "The secret that was passed has white space, a line end or quotes around it, and the \
         signature was made without them. Strip it where it is read (secret.strip() in Python), \
         and look into the file of settings: docker --env-file keeps quotes, and a file of \
         secrets often ends in a line end.";
    /// Proved: the signer's secret has white space behind it.
    SignerSecretNotStripped = "signer_secret_not_stripped",
        "The signer's secret has a line end or a space behind it: strip it there. `echo` adds a \
         line end: use printf %s in a shell; and strip what is read from a file.";
    /// Proved: the whole body was signed.
    WholeBodySigned = "whole_body_signed",
        "The signer signed the whole body. Only `result` is signed: \
         JSON.stringify(body.result) in Node.js, and extracta_rs.sign(body, secret) in Python, \
         which finds it by itself.";
    /// Proved: the body was decoded as latin-1 or cp1252.
    DecodedAsLatin1 = "decoded_as_latin1",
        "The body is UTF-8 and was decoded as latin-1 or cp1252: letters such as ü became two. \
         Pass the bytes, without decoding them: request.get_data() in Flask, request.body in \
         Django, await request.body() in Starlette and FastAPI. If you must decode, use UTF-8.";
    /// Proved: the body was encoded as latin-1 or cp1252.
    EncodedAsLatin1 = "encoded_as_latin1",
        "The body is in latin-1 or cp1252: it was decoded and then encoded in another charset \
         than the UTF-8 it came in. Pass the bytes as they came, or encode with \
         text.encode(\"utf-8\"); open() without an encoding uses the system's.";
    /// Proved: the body was encoded as UTF-16.
    EncodedAsUtf16 = "encoded_as_utf16",
        "The body is in UTF-16, as Windows PowerShell and .NET's Encoding.Unicode write it. Pass \
         the bytes as they came, in UTF-8.";
    /// Proved: there is a byte order mark in front of the body.
    ByteOrderMark = "byte_order_mark",
        "There is a byte order mark in front of the body: an editor or \"utf-8-sig\" put it there \
         when the body was stored. Pass the bytes as they came, or read the file with \
         encoding=\"utf-8-sig\".";
    /// Proved: the body is the `str` of bytes.
    PythonBytes = "python_bytes",
        "The body is what Python's str() makes of bytes: b'...'. Pass the bytes themselves, so \
         request.body instead of str(request.body) in Django, request.get_data() instead of \
         str(request.data) in Flask, await request.body() in Starlette and FastAPI.";
    /// Proved: the body is the `str` of a dict.
    PythonDict = "python_dict",
        "The body is what Python's str() makes of a dict, with single quotes. Pass the raw body, \
         not parsed JSON: request.get_data() instead of str(request.json) in Flask, \
         await request.body() instead of request.json() in Starlette and FastAPI, request.body in \
         Django.";
    /// Proved: the body, or its `result`, is JSON within a JSON string.
    JsonTwice = "json_twice",
        "The body, or its `result`, is a JSON string that contains the JSON: it was written \
         twice. Do not pass text to json.dumps or jsonify; pass the raw body as it came.";
    /// Proved: the delivery is inside another JSON text.
    WrappedBody = "wrapped_body",
        "The delivery is inside another JSON text, as gateways, queues and logs wrap it. Pass the \
         inner text: event[\"body\"] in AWS Lambda, decoded from base64 where isBase64Encoded is \
         true; the message's body with SQS.";
    /// Proved: the body is base64.
    Base64Body = "base64_body",
        "The body is the delivery in base64, as AWS API Gateway passes it where isBase64Encoded \
         is true. Pass base64.b64decode(body).";

    /// A guess: the header has hex digits.
    LooksHex = "looks_hex",
        "The header looks as if the signature were in hex digits: it must be base64. That is not \
         all, for these bytes do not match either: sign with .digest(\"base64\") in Node.js or \
         base64.b64encode(mac.digest()) in Python, then explain the new signature.";
    /// A guess: the body is compressed.
    LooksCompressed = "looks_compressed",
        "The body looks as if it were still compressed (gzip, deflate or zstd). Decompress it as \
         the header Content-Encoding says before it is verified: Flask, Django and Starlette do \
         not do it, let the proxy or a middleware.";
    /// A guess: the body is the `str` of a dict.
    LooksPythonDict = "looks_python_dict",
        "The body looks as if Python's str() had made it of a dict: keys are in single quotes. \
         Pass the raw body, not parsed JSON: request.get_data() in Flask, await request.body() in \
         Starlette and FastAPI, request.body in Django.";
    /// A guess: characters were replaced.
    LooksReplaced = "looks_replaced",
        "The body looks as if it had been decoded with errors=\"replace\": it has U+FFFD in the \
         place of characters, which cannot be brought back. Pass the bytes, without decoding them: \
         request.get_data() without as_text in Flask, request.body in Django, \
         await request.body() in Starlette and FastAPI.";
    /// A guess: the body was decoded as latin-1 or cp1252.
    LooksWrongCharset = "looks_wrong_charset",
        "The body looks as if its UTF-8 had been decoded as latin-1 or cp1252: letters such as ü \
         became two. That is not all, for the signature does not match without that either. Pass \
         the bytes as they came, then explain again.";
    /// A guess: keys were sorted.
    LooksSorted = "looks_sorted",
        "The body looks as if its keys had been sorted: they are in alphabetical order in every \
         object, and the order in which they came is lost. Flask's jsonify sorts by default, so \
         does json.dumps(sort_keys=True), and Go does with maps. Pass the raw body: \
         request.get_data() in Flask, await request.body() in Starlette and FastAPI, request.body \
         in Django.";
}
