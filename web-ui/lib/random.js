// Random names.

/** A random name; `crypto.randomUUID` is hidden from pages that came by plain HTTP. */
export const randomKey = () => [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
