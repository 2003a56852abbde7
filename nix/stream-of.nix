# What to deploy of an image: of one by buildLayeredImage the script that streams it is
# enough, and its archive need not be made. The script runs where it is deployed from, so it
# must be for that system.
pkgs: image:
if image ? stream && image.system or null == pkgs.stdenv.hostPlatform.system then
  image.stream
else
  image
