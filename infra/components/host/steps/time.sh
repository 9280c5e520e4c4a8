# The right time: certificates, tokens and backups hang on it. A time service that is there is left as it is.
if installed chrony; then
  enable chrony.service
elif installed ntpsec; then
  enable ntpsec.service
else
  install systemd-timesyncd
  enable systemd-timesyncd.service
fi
