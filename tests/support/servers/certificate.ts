import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The certificate of an authority that has signed one other, and whose key is gone. */
export const AUTHORITY = `-----BEGIN CERTIFICATE-----
MIIBmjCCAT+gAwIBAgIUTItYCclc/HbVv8wd9cqSQBe1FGwwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOZHJhbWF0aXEgdGVzdHMwIBcNMjYxMTI5MTcwMzI2WhgPMjEy
NjExMDUxNzAzMjZaMBkxFzAVBgNVBAMMDmRyYW1hdGlxIHRlc3RzMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAE38vQKgM1EaJdn0FDhhArdxR5gi0eqE5TK57vcyAg
SOD/Xy2+mbms3UhRB4j+q/MsfvLOf2VndBs4OwHIjb9bZqNjMGEwHQYDVR0OBBYE
FLeW8dC8Blczl96fcTaW5t3NCSZYMB8GA1UdIwQYMBaAFLeW8dC8Blczl96fcTaW
5t3NCSZYMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgIEMAoGCCqGSM49
BAMCA0kAMEYCIQCvIhnRCG0lIk8lqFVp8SMT2y9RiDsw7AbDHPL5lNVZdgIhAJyg
Q0G8bFl06TJwquDG4a1kGXuH5nL7YlTiuurlhx45
-----END CERTIFICATE-----
`;

/** A certificate for localhost and 127.0.0.1, for servers and clients, good for a hundred years. */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIByDCCAW6gAwIBAgIUSUKsBG8Cr93rbrQQU0NkduYHHpAwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOZHJhbWF0aXEgdGVzdHMwIBcNMjYxMTI5MTcwMzI3WhgPMjEy
NjExMDUxNzAzMjdaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEG
CCqGSM49AwEHA0IABEdQoY8kdIcATXSiVKPaFCAZit9xj485YVhJTzoit3H62QNq
mbelE7vH02VLbpWMMeFwe1qC3Wak5ZhT3RKGus6jgZYwgZMwGgYDVR0RBBMwEYIJ
bG9jYWxob3N0hwR/AAABMAkGA1UdEwQCMAAwHQYDVR0lBBYwFAYIKwYBBQUHAwEG
CCsGAQUFBwMCMAsGA1UdDwQEAwIHgDAdBgNVHQ4EFgQUkYz+i8Of8AiUp2NdP3Zg
obH4TOYwHwYDVR0jBBgwFoAUt5bx0LwGVzOX3p9xNpbm3c0JJlgwCgYIKoZIzj0E
AwIDSAAwRQIgENgI4AEesXs9wRqcaAFpumGRygxjDWDbNsFge78FyWQCIQDLNuOw
eqpzKstImcZrJO3bPquubcUTo89LHlXm3+JE+g==
-----END CERTIFICATE-----
`;

/** The key to the certificate. It is no secret: it opens nothing but tests. */
export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgc/65HJCK0z9aUgbm
RtGRron1jKgZUBqxJRY+Eq4Kt46hRANCAARHUKGPJHSHAE10olSj2hQgGYrfcY+P
OWFYSU86Irdx+tkDapm3pRO7x9NlS26VjDHhcHtagt1mpOWYU90ShrrO
-----END PRIVATE KEY-----
`;

/** Paths of the files. */
export interface CertificateFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Writes all three into a folder, for servers that read files. */
export async function writeCertificate(folder: string): Promise<CertificateFiles> {
  const at = (name: string) => join(folder, `${name}.pem`);
  const files = { ca: at("ca"), cert: at("cert"), key: at("key") };
  await writeFile(files.ca, AUTHORITY);
  await writeFile(files.cert, CERTIFICATE);
  await writeFile(files.key, KEY);
  return files;
}
