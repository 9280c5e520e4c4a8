# The right time: certificates, tokens and backups hang on it. A time service that is there is left as it is.
if installed chrony; then
  enable_unit chrony.service
elif installed ntpsec; then
  enable_unit ntpsec.service
else
  install systemd-timesyncd
  enable_unit systemd-timesyncd.service
fi
