/** Names of variables that promise a secret. */

const SECRET_NAME = /PASS|SECRET|TOKEN|CREDENTIAL|(^|_)KEY$/i;

export const isSecretName = (name: string): boolean => SECRET_NAME.test(name);
