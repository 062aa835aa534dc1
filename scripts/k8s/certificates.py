"""Makes a certificate authority and certificates for the services, where cert-manager does not."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from scripts.k8s import cluster, credentials
from scripts.k8s.shell import say

#: Who gets a certificate; servers have names that are looked up.
SERVERS = ("coordinator", "github-gateway", "dashboard")
CLIENTS = ("agents", "keda", "operator")
#: How long a certificate is good, and how long before its end `make up` makes a new one.
LIFETIME, RENEWED_BEFORE = timedelta(days=90), timedelta(days=30)
#: How long the authority is good.
CA_LIFETIME = timedelta(days=5 * 365)
#: Secret with the authority, its key included.
CA_SECRET = "miyabi-ca"

_Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def ensure() -> None:
    """Make what is missing or near its end; the keys go into Secrets and nowhere else."""
    authority = _load(CA_SECRET) or _make_authority()
    soon = datetime.now(UTC) + RENEWED_BEFORE
    made = []
    for name in (*SERVERS, *CLIENTS):
        known = _load(f"tls-{name}")
        if known is None or known[0].not_valid_after_utc < soon or known[0].issuer != authority[0].subject:
            _write(f"tls-{name}", _issue(name, authority), ca=authority[0])
            made.append(name)
    say(f"certificates: {'made for ' + ', '.join(made) if made else 'there already'}")


def _make_authority() -> _Pair:
    """Make and store a new authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"miyabi-ca-{x509.random_serial_number() % 10**8}")])
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = _builder(subject, subject, key, CA_LIFETIME)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    made = builder.sign(key, hashes.SHA256())
    _write(CA_SECRET, (made, key), ca=made)
    return made, key


def _issue(name: str, authority: _Pair) -> _Pair:
    """Make a certificate for one service."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"spiffe://miyabi/{name}")]
    if name in SERVERS:
        suffixes = ("", f".{cluster.NAMESPACE}.svc", f".{cluster.NAMESPACE}.svc.cluster.local")
        names += [x509.DNSName(host) for host in [*(f"{name}{suffix}" for suffix in suffixes), "localhost"]]
    builder = _builder(subject, authority[0].subject, key, LIFETIME)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority[1].public_key())
    builder = builder.add_extension(identifier, critical=False)
    return builder.sign(authority[1], hashes.SHA256()), key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    """Return what all certificates have in common; valid from a little earlier, for clocks that differ."""
    began = datetime.now(UTC) - timedelta(minutes=5)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(began)
    builder = builder.not_valid_after(began + lifetime)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _write(name: str, pair: _Pair, *, ca: x509.Certificate) -> None:
    """Store a certificate, its key and who signed it as a Secret of the TLS kind."""
    pem = serialization.Encoding.PEM
    key = pair[1].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    values = {
        "tls.crt": pair[0].public_bytes(pem).decode(), "tls.key": key, "ca.crt": ca.public_bytes(pem).decode(),
    }  # fmt: skip
    credentials.write(name, values, kind="kubernetes.io/tls")


def _load(name: str) -> _Pair | None:
    """Return a stored certificate and its key; None where there is none."""
    if not cluster.exists("secret", name):
        return None
    data = cluster.read("secret", name)["data"]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(data["tls.crt"]))
    key = serialization.load_pem_private_key(base64.b64decode(data["tls.key"]), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return certificate, key
