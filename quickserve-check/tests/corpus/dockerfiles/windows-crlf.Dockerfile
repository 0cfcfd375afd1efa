# escape=`
FROM mcr.microsoft.com/windows/servercore:ltsc2022
WORKDIR C:\app
COPY bin `
     C:\app\
USER ContainerUser
ENTRYPOINT ["C:\\app\\service.exe"]
